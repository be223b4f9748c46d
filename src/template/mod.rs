//! Floor 3: configuration file templates.
