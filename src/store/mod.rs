//! Floor 3: persistence behind one trait.
