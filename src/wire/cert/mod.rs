//! Certificates: the PacketCable device and service provider profiles.
