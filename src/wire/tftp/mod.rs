//! TFTP packets and transfers.
