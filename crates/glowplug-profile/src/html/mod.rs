//! The page: a profile, or the difference of two, as one HTML file that needs nothing else.
//!
//! Figures and names go into the page as JSON that the page's script reads; they become text of elements, never markup. The page
//! forbids itself every request by a content security policy.

mod compare;
mod data;
mod embed;
mod summary;

pub use compare::render as render_diff;

use crate::model::Profile;
use askama::Template;

/// What both pages need, in the order in which the parts need each other.
const COMMON: &str = concat!(
    include_str!("../../templates/script/data.js"),
    include_str!("../../templates/script/format.js"),
    include_str!("../../templates/script/palette.js"),
    include_str!("../../templates/script/store.js"),
    include_str!("../../templates/script/controls.js"),
    include_str!("../../templates/script/grid.js"),
);

const PROFILE: &str = concat!(
    include_str!("../../templates/script/flame.js"),
    include_str!("../../templates/script/treemap.js"),
    include_str!("../../templates/script/stage.js"),
    include_str!("../../templates/script/table.js"),
    include_str!("../../templates/script/details.js"),
    include_str!("../../templates/script/overview.js"),
    include_str!("../../templates/script/page.js"),
);

const STYLE: &str = include_str!("../../templates/page.css");

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    version: &'a str,
    title: String,
    command: String,
    about: String,
    started_unix: u64,
    remarks: Vec<String>,
    processes: Vec<summary::ProcessSummary>,
    main: usize,
    style: &'a str,
    script: String,
    data: String,
}

/// The page of a profile, with all of its processes; it opens on the one that imported most.
pub fn render(profile: &Profile) -> String {
    let command = summary::command(&profile.run);
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        title: format!("{command} – start-up profile"),
        about: summary::about(profile),
        started_unix: profile.run.started_unix,
        remarks: summary::remarks(profile),
        processes: summary::processes(profile),
        main: data::main_index(profile),
        style: STYLE,
        script: [COMMON, PROFILE].concat(),
        data: embed::json(&data::of(profile)),
        command,
    };
    page.render().expect("rendering into a string cannot fail")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_page_refers_to_nothing_outside_of_it() {
        let page = render(&sample::profile());
        for outside in ["http://", "https://", "src=", "@import", "url(", "//cdn"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn names_from_outside_do_not_end_the_script_or_become_markup() {
        let mut profile = sample::profile();
        let evil = "</script><img src=x onerror=alert(1)><!--\u{2028}\u{0}\"'&";
        profile.run.command = vec![evil.to_owned()];
        profile.run.notes = vec![evil.to_owned()];
        for module in &mut profile.processes[0].modules {
            module.name = evil.to_owned();
            module.file = Some(evil.to_owned());
        }
        profile.processes[0].findings[0].title = evil.to_owned();
        let page = render(&profile);
        let plain = render(&sample::profile());
        assert_eq!(page.matches("</script").count(), plain.matches("</script").count());
        assert!(!page.contains("<img") && !page.contains("<!--"));
    }
}
