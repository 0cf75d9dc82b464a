//! Which statements the settings want lazy or keep eager.

use crate::object::Object;

/// The settings.
#[derive(Debug, Default)]
pub struct Rules {
    eager_importers: Vec<Pattern>,
    lazy_modules: Vec<Pattern>,
}

impl Rules {
    /// `eager`: importers whose imports stay eager. `lazy`: modules that are imported lazily whatever the mode.
    ///
    /// Each entry is a module's name, which stands for its submodules as well, `=name` for the module alone, or a pattern in which `*` stands for any characters.
    pub fn new(eager: &[Vec<u8>], lazy: &[Vec<u8>]) -> Rules {
        let patterns = |texts: &[Vec<u8>]| texts.iter().map(|text| Pattern::new(text)).collect();
        Rules { eager_importers: patterns(eager), lazy_modules: patterns(lazy) }
    }

    /// Adds what is not there yet.
    pub fn extend(&mut self, other: Rules) {
        for (own, others) in [
            (&mut self.eager_importers, other.eager_importers),
            (&mut self.lazy_modules, other.lazy_modules),
        ] {
            for pattern in others {
                if !own.contains(&pattern) {
                    own.push(pattern);
                }
            }
        }
    }

    /// Whether there are modules that are lazy by name.
    pub fn names_modules(&self) -> bool {
        !self.lazy_modules.is_empty()
    }

    /// Whether an importer stays eager.
    ///
    /// # Safety
    /// GIL; the name is a str.
    pub unsafe fn keeps_eager(&self, importer: &Object) -> bool {
        // SAFETY: by the caller.
        unsafe { matches(&self.eager_importers, importer) }
    }

    /// Whether a module is lazy by name.
    ///
    /// # Safety
    /// GIL; the name is a str.
    pub unsafe fn makes_lazy(&self, module: &Object) -> bool {
        // SAFETY: by the caller.
        unsafe { matches(&self.lazy_modules, module) }
    }
}

unsafe fn matches(patterns: &[Pattern], name: &Object) -> bool {
    if patterns.is_empty() {
        return false;
    }
    // SAFETY: by the caller.
    let Some(name) = (unsafe { name.to_bytes() }) else { return false };
    patterns.iter().any(|pattern| pattern.matches(&name))
}

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    Exact(Vec<u8>),
    Module(Vec<u8>),
    Glob(Vec<u8>),
}

impl Pattern {
    fn new(text: &[u8]) -> Pattern {
        if let Some(exact) = text.strip_prefix(b"=") {
            return Pattern::Exact(exact.to_vec());
        }
        let text = text.to_vec();
        if text.contains(&b'*') { Pattern::Glob(text) } else { Pattern::Module(text) }
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Pattern::Exact(module) => module == name,
            Pattern::Module(module) => name
                .strip_prefix(module.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'.'),
            Pattern::Glob(pattern) => glob(pattern, name),
        }
    }
}

/// `*` stands for any characters; the last one seen takes one more where the rest does not fit.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}
