//! Floor 5: commands and wiring.
