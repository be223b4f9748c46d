//! What is tried on a device of a vendor that is not known yet.

use serde::Deserialize;

use crate::wire::keymgmt::{HmacCoverage, HmacKeyRule, HmacRecipe, KeyLayout, KeyRecipe, Localisation};

/// How many key recipes a message is tried under at the most: each costs a derivation and one MAC.
pub const MOST_KEY_RECIPES: usize = 256;

/// The file is no list of candidates.
#[derive(Debug, thiserror::Error)]
pub enum CandidatesError {
    /// Its TOML is not of the form of the shipped file.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// It has more combinations than a message may be tried under.
    #[error(
        "its labels, layouts and localisations make {0} combinations, {MOST_KEY_RECIPES} are tried at the most: leave some out"
    )]
    TooMany(usize),
}

/// The choices of the interop profile that a device's own traffic can decide, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// P1 and P2: decided by the AP Request.
    pub hmac: Vec<HmacRecipe>,
    /// P6 to P8: decided by the first authenticated SNMPv3 message.
    pub keys: Vec<KeyRecipe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hmac: HmacLists,
    keys: KeyLists,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HmacLists {
    keys: Vec<HmacKeyRule>,
    coverages: Vec<HmacCoverage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLists {
    labels: Vec<String>,
    layouts: Vec<KeyLayout>,
    localisations: Vec<Localisation>,
}

impl Candidates {
    /// The file that is used where the settings name none.
    pub const SHIPPED: &str = include_str!("candidates.toml");

    /// The shipped candidates.
    pub fn shipped() -> Self {
        Self::parse(Self::SHIPPED).expect("the shipped file is tested")
    }

    /// Reads a file of the form of the shipped one.
    ///
    /// # Errors
    /// [`CandidatesError`].
    pub fn parse(text: &str) -> Result<Self, CandidatesError> {
        let File { hmac, keys } = toml::from_str(text)?;
        let count = keys.labels.len() * keys.layouts.len() * keys.localisations.len();
        if count > MOST_KEY_RECIPES {
            return Err(CandidatesError::TooMany(count));
        }
        let hmac = hmac.keys.iter().flat_map(|&key| {
            let recipe = move |&coverage| HmacRecipe { key, coverage };
            hmac.coverages.iter().map(recipe)
        });
        let mut recipes = Vec::with_capacity(count);
        // The label is what is known least, the layout what is known best.
        for layout in &keys.layouts {
            for &localisation in &keys.localisations {
                recipes.extend(keys.labels.iter().map(|label| KeyRecipe {
                    label: label.clone(),
                    layout: layout.clone(),
                    localisation,
                }));
            }
        }
        Ok(Self {
            hmac: hmac.collect(),
            keys: recipes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_has_every_hmac_recipe_and_begins_with_the_default() {
        let shipped = Candidates::shipped();
        assert_eq!(shipped.hmac, HmacRecipe::ALL);
        assert_eq!(shipped.keys.first(), Some(&KeyRecipe::default()));
        assert_eq!(shipped.keys.len(), 64);
    }

    #[test]
    fn too_many_combinations_and_unknown_words_are_refused() {
        let labels: Vec<String> = (0..65).map(|number| format!("'{number}'")).collect();
        let text = |labels: &str, layouts: &str| {
            format!(
                "[hmac]\nkeys = []\ncoverages = []\n[keys]\nlabels = [{labels}]\nlayouts = [{layouts}]\n\
                 localisations = ['direct', 'each', 'agent', 'manager']\n"
            )
        };
        let one = "'authentication-first'";
        let error = Candidates::parse(&text(&labels.join(", "), one)).unwrap_err();
        assert!(matches!(error, CandidatesError::TooMany(260)), "{error}");
        assert!(Candidates::parse(&text(&labels[..64].join(", "), one)).is_ok());
        assert!(Candidates::parse(&text("'a'", "'sideways'")).is_err());
        let separate = Candidates::parse(&text("'a'", "{ separate-labels = { privacy_label = 'b' } }")).unwrap();
        assert!(matches!(separate.keys[0].layout, KeyLayout::SeparateLabels { .. }));
    }
}
