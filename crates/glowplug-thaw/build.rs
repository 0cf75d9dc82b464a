//! Links the restorer without a C library, far away from where anything else is mapped.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in
        ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--image-base=0x10000000000"]
    {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
