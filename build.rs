//! Present so that `openssl-src`'s features under [build-dependencies] reach the vendored OpenSSL build.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
