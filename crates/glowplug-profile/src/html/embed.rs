//! JSON within a `<script>` element.

use serde::Serialize;

/// The JSON of `value` without a character that HTML would read: it can be put between `<script>` and `</script>` as it is.
///
/// Within a script element HTML knows no escapes, but JSON does, and `<`, `>` and `&` occur in its strings alone. U+2028 and
/// U+2029 are line ends to JavaScripts older than 2019.
pub fn json<T: Serialize>(value: &T) -> String {
    let plain = serde_json::to_string(value).expect("strings, numbers and lists alone");
    let mut safe = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::json;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_means_the_same_and_has_nothing_for_html(text in any::<String>()) {
            let safe = json(&text);
            let unsafe_ones = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!safe.contains(unsafe_ones));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}
