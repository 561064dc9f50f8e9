use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `license-lookup` and its floor with cargo-lambda: the function as it is deployed
/// (scripts/lambda/build.mk), the floor as cargo-lambda builds by default. Each alone, so that no other
/// crate's features leak in. The result is the directory of `license-lookup/bootstrap` and
/// `floor/bootstrap`.
pub fn build() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let built = target().join("cold_start");
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let package = ["--package", "license-lookup"];
    let function = ["--bin", "license-lookup", "--target", &musl];
    let flags = "-C relocation-model=static";
    run(
        manifest,
        &[package.as_slice(), &function].concat(),
        &built,
        flags,
    );
    let floor = ["--example", "floor"];
    run(manifest, &[package, floor].concat(), &built, "");
    built
}

/// Builds the function with the SDK's defaults, as cargo-lambda does by default.
pub fn build_sdk_defaults() -> PathBuf {
    let manifest = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/benches/peers/sdk_defaults/Cargo.toml"
    );
    let built = target().join("cold_start");
    run(manifest, &[], &built, "");
    built.join("sdk-defaults/bootstrap")
}

fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

fn run(manifest: &str, arguments: &[&str], built: &Path, flags: &str) {
    let status = Command::new(env!("CARGO"))
        .args(["lambda", "build", "--release", "--locked"])
        .args(["--manifest-path", manifest])
        .args(arguments)
        .arg("--lambda-dir")
        .arg(built)
        .env("CARGO_TARGET_DIR", target())
        .env("RUSTFLAGS", flags)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cargo lambda build failed: pip install cargo-lambda"
    );
}
