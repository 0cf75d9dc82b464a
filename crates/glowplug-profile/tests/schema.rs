//! The published schemas are those of the models.

use glowplug_profile::gate::report::Report;
use glowplug_profile::model::Profile;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema");

/// With `GLOWPLUG_UPDATE_SCHEMA` set the file is written instead.
fn check(name: &str, schema: &Value) {
    let path = format!("{FOLDER}/{name}.schema.json");
    let wanted = format!("{schema:#}\n");
    if std::env::var_os("GLOWPLUG_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(
        published == wanted,
        "docs/schema/{name}.schema.json is out of date; run this test with GLOWPLUG_UPDATE_SCHEMA=1"
    );
}

#[test]
fn the_published_schema_is_that_of_the_model() {
    check("profile", &Profile::schema());
}

#[test]
fn the_published_schema_of_reports_is_that_of_the_gate() {
    check("gate", &Report::schema());
}
