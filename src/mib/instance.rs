//! The instances of objects: a scalar's `.0` and the index of a row (RFC 2578 §7.7).

use super::object::{IndexForm, Kind, Object};
use crate::value::Oid;

/// One part of an index as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexValue {
    /// A number, taken as an arc.
    Number(u32),
    /// A text, whose octets become arcs in the form that the table's index has.
    Text(String),
}

/// The index does not fit the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// A scalar's instance is `.0`.
    #[error("{0} is a scalar: its instance is .0")]
    Scalar(String),
    /// Only scalars and columns have instances.
    #[error("{0} is no scalar and no column, so it has no instances")]
    NoLeaf(String),
    /// A text where the index has a number, or one of another length.
    #[error("{object}: the index {part} takes no text of {octets} octets")]
    Text {
        /// The object.
        object: String,
        /// The index part.
        part: String,
        /// The octets of the text.
        octets: usize,
    },
    /// The arcs do not make up the index.
    #[error("{object}: the index is {expected}")]
    Index {
        /// The object.
        object: String,
        /// The names of the parts.
        expected: String,
    },
}

impl Object {
    /// The object identifier of an instance. Numbers are arcs as they stand, so a text's octets may be written as numbers
    /// too; a text takes the place of one part of the index.
    ///
    /// # Errors
    /// [`InstanceError`] says what the index is.
    pub fn instance(&self, index: &[IndexValue]) -> Result<Oid, InstanceError> {
        match &self.kind {
            Kind::Scalar { .. } if index == [IndexValue::Number(0)] => Ok(self.oid.child(&[0])),
            Kind::Scalar { .. } => Err(InstanceError::Scalar(self.qualified())),
            Kind::Column { .. } => self.cell(index),
            _ => Err(InstanceError::NoLeaf(self.qualified())),
        }
    }

    fn cell(&self, values: &[IndexValue]) -> Result<Oid, InstanceError> {
        let Kind::Column { index, .. } = &self.kind else {
            return Err(InstanceError::NoLeaf(self.qualified()));
        };
        let mut arcs = Vec::new();
        let mut parts = index.iter();
        let mut left = 0;
        for value in values {
            // Numbers fill the part that has begun before the next part begins.
            let part = if left == 0 { parts.next() } else { None };
            match (value, part) {
                (IndexValue::Number(number), None) if left > 0 => {
                    left = if left == usize::MAX { left } else { left - 1 };
                    arcs.push(*number);
                }
                (IndexValue::Number(number), Some(part)) => {
                    left = match part.form {
                        IndexForm::Integer => 0,
                        IndexForm::Fixed(octets) => octets.saturating_sub(1),
                        IndexForm::Counted => usize::try_from(*number).unwrap_or(usize::MAX),
                        IndexForm::Implied => usize::MAX,
                        IndexForm::IpAddress => 3,
                    };
                    arcs.push(*number);
                }
                (IndexValue::Text(text), Some(part)) => {
                    self.push_text(text, part.form, &part.name, &mut arcs)?;
                }
                _ => return Err(self.wrong_index()),
            }
        }
        let complete = parts.next().is_none() && (left == 0 || left == usize::MAX);
        if !complete || values.is_empty() || self.oid.arcs().len() + arcs.len() > 128 {
            return Err(self.wrong_index());
        }
        Ok(self.oid.child(&arcs))
    }

    fn push_text(&self, text: &str, form: IndexForm, part: &str, arcs: &mut Vec<u32>) -> Result<(), InstanceError> {
        let octets = text.as_bytes();
        match form {
            IndexForm::Implied => {}
            IndexForm::Fixed(length) if length == octets.len() => {}
            // A length beyond an arc is beyond the 128 arcs of an object identifier as well.
            IndexForm::Counted => arcs.push(u32::try_from(octets.len()).unwrap_or(u32::MAX)),
            _ => {
                return Err(InstanceError::Text {
                    object: self.qualified(),
                    part: part.to_owned(),
                    octets: octets.len(),
                });
            }
        }
        arcs.extend(octets.iter().map(|&octet| u32::from(octet)));
        Ok(())
    }

    fn wrong_index(&self) -> InstanceError {
        let Kind::Column { index, .. } = &self.kind else {
            return InstanceError::NoLeaf(self.qualified());
        };
        let names: Vec<&str> = index.iter().map(|part| &*part.name).collect();
        InstanceError::Index {
            object: self.qualified(),
            expected: names.join(", "),
        }
    }
}
