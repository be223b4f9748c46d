//! PKINIT in its early-draft shapes.
