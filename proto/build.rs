//! Compiles the `.proto` files with protox: no protoc is needed anywhere.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["common.proto", "raft.proto", "kv.proto", "admin.proto", "cluster.proto", "probe.proto"];
    for file in files {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    let set = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(set)?;
    Ok(())
}
