target = x86_64-unknown-linux-musl
