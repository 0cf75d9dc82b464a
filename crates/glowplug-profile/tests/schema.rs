//! The published schema is that of the model.

use glowplug_profile::model::Profile;
use std::path::Path;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/profile.schema.json");

/// With `GLOWPLUG_UPDATE_SCHEMA` set the file is written instead.
#[test]
fn the_published_schema_is_that_of_the_model() {
    let wanted = format!("{:#}\n", Profile::schema());
    if std::env::var_os("GLOWPLUG_UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, &wanted).unwrap();
    }
    let published = std::fs::read_to_string(Path::new(SCHEMA)).unwrap();
    assert!(
        published == wanted,
        "docs/schema/profile.schema.json is out of date; run this test with GLOWPLUG_UPDATE_SCHEMA=1"
    );
}
