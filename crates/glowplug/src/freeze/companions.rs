//! Modules that packages import when they are first used, not when they are imported: a service would read them from the disk while its
//! first request waits, since its trial ends before anybody asks it for anything.

/// A package's doing.
struct Companion {
    /// Where these have been imported …
    with: &'static [&'static str],
    /// … this will be.
    module: &'static str,
}

/// | | |
/// |---|---|
/// | anyio | finds out at its first call which event loop there is, and then imports what belongs to it: under Starlette and FastAPI in the first request |
const COMPANIONS: &[Companion] =
    &[Companion { with: &["anyio", "asyncio"], module: "anyio._backends._asyncio" }];

/// What will be imported where `modules` are.
pub fn of(modules: &[String]) -> impl Iterator<Item = &'static str> {
    let has = |name: &&str| modules.iter().any(|module| module == name);
    COMPANIONS
        .iter()
        .filter(move |companion| companion.with.iter().all(&has) && !has(&companion.module))
        .map(|companion| companion.module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_comes_with_all_that_it_goes_with() {
        let of = |modules: &[&str]| {
            let modules: Vec<String> = modules.iter().map(ToString::to_string).collect();
            of(&modules).collect::<Vec<_>>()
        };
        assert_eq!(of(&["anyio", "json", "asyncio"]), ["anyio._backends._asyncio"]);
        assert_eq!(of(&["anyio", "trio"]), [""; 0]);
        assert_eq!(of(&["asyncio", "anyio._backends._asyncio", "anyio"]), [""; 0]);
    }
}
