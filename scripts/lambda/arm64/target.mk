target = aarch64-unknown-linux-musl
