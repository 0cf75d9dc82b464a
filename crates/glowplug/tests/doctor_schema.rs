//! The published schema is that of the report.

use glowplug::doctor::Report;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/doctor.schema.json");

/// With `GLOWPLUG_UPDATE_SCHEMA` set the file is written instead.
#[test]
fn the_published_schema_is_that_of_the_report() {
    let wanted = format!("{:#}\n", Report::schema());
    if std::env::var_os("GLOWPLUG_UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, &wanted).expect("the schema can be written");
    }
    let published = std::fs::read_to_string(SCHEMA).expect("the schema is there");
    assert!(
        published == wanted,
        "docs/schema/doctor.schema.json is out of date; run this test with GLOWPLUG_UPDATE_SCHEMA=1"
    );
}
