//! Compiles the `.proto` files with protox (no protoc is needed anywhere) and lets every message print itself as JSON.

/// Fields of type `bytes`: JSON shows them as hexadecimal text, shortened when long.
const BYTES_FIELDS: [&str; 14] = [
    "AppendFormatMeta.key_salt",
    "AppendFormatMeta.key_fingerprint",
    "BackupSetInfo.password_salt",
    "Write.key",
    "Write.value",
    "ReplayedItem.body",
    "WriteIdentity.session",
    "IndexRootItem.last_key",
    "MacroIndexItem.unique_id",
    "MacroIndexItem.key_fingerprint",
    "TabletMeta.properties",
    "SealMeta.digest",
    "TableListPart.start_key",
    "TableListPart.end_key",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["format.proto", "log.proto"];
    for file in files {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    let set = protox::compile(files, ["proto"])?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]).type_attribute(".", "#[derive(serde::Serialize)]");
    for field in BYTES_FIELDS {
        config.field_attribute(
            format!(".strandline.format.{field}"),
            "#[serde(serialize_with = \"crate::describe::hex::bytes\")]",
        );
    }
    config.field_attribute(
        ".strandline.format.LsMetaInfo.engine_files",
        "#[serde(serialize_with = \"crate::describe::hex::named_bytes\")]",
    );
    config.compile_fds(set)?;
    Ok(())
}
