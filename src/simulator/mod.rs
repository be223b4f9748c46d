//! Floor 4: simulated eUEs.
