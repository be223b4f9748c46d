//! The templates of templates/, within the binary.

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name, ".tmpl")))),*]
    };
}

/// The name and the text of each template.
pub(super) const SHIPPED: &[(&str, &str)] = templates![
    "secure-ietf",
    "secure-cablelabs",
    "secure-euro",
    "hybrid-ietf",
    "hybrid-cablelabs",
    "hybrid-euro",
    "basic-ietf",
    "basic-cablelabs",
    "basic-euro",
    "blocks-eue",
    "blocks-emta",
    "blocks-management",
    "cable-modem",
    "cable-modem-tiers",
];
