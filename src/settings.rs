//! Floor 2: `hardline.toml`.
