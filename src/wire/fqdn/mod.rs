//! The MTA-FQDN exchange between KDC and provisioning server.
