//! Stock clients fetch files from the TFTP and HTTP services; hostile packets and lost ones disturb nobody.

#[path = "tftp_clients/http.rs"]
mod http;
#[path = "tftp_clients/own.rs"]
mod own;
#[path = "tftp_clients/packets.rs"]
mod packets;
#[path = "tftp_clients/reload.rs"]
mod reload;
#[path = "tftp_clients/stock.rs"]
mod stock;
mod support;
