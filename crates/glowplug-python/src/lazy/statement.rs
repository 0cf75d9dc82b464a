//! Which import statements of a module's code may be lazy: those that only bind names, outside of `try` and `except`.
//!
//! Works on the bytes of a code object alone.

use super::opcodes::{
    DELETE_NAME, EXTENDED_ARG, IMPORT_FROM, IMPORT_NAME, POP_TOP, STORE_NAME, SWAP,
};
use std::collections::BTreeSet;

/// `CACHE`, which takes room after some instructions of 3.11 and later; no instruction of its own before.
const CACHE: u16 = 0;

/// An import statement that only binds names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Byte offset of its IMPORT_NAME.
    pub offset: usize,
    /// The names it binds, as indices into `co_names`.
    pub targets: Vec<usize>,
    /// Whether it binds what it imports as it is, as `import a.b` does: nothing is taken from it.
    pub whole: bool,
}

/// The statements of a code object, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Statements {
    imports: Vec<Import>,
    /// Names that the code deletes, as indices into `co_names`. (A set that hashes would ask the kernel for random numbers, which would
    /// keep a package that installs the mechanism out of images.)
    pub deleted: BTreeSet<usize>,
}

impl Statements {
    /// Reads the bytecode of a code object, as `co_code` gives it.
    ///
    /// A statement counts where nothing but its own IMPORT_FROMs and stores follows until the stack is as it was before. (One that
    /// stores by STORE_GLOBAL, say, is left alone.)
    pub fn of(code: &[u8]) -> Statements {
        let mut found = Statements::default();
        let mut open: Option<(Import, usize)> = None;
        for Instruction { offset, opcode, argument } in instructions(code) {
            if opcode == DELETE_NAME {
                found.deleted.insert(argument);
            }
            open = match (opcode, open.take()) {
                (IMPORT_NAME, _) => Some((Import { offset, targets: Vec::new(), whole: true }, 1)),
                (CACHE | SWAP, open) => open,
                (IMPORT_FROM, Some((mut import, depth))) => {
                    import.whole = false;
                    Some((import, depth + 1))
                }
                (STORE_NAME, Some((mut import, depth))) => {
                    import.targets.push(argument);
                    Some((import, depth - 1))
                }
                (POP_TOP, Some((import, depth))) => Some((import, depth - 1)),
                _ => None,
            };
            open = match open {
                Some((import, 0)) => {
                    found.imports.push(import);
                    None
                }
                open => open,
            };
        }
        found
    }

    /// The statement whose IMPORT_NAME, or whose first EXTENDED_ARG, is at an offset.
    pub fn at(&self, offset: usize) -> Option<&Import> {
        let index = self.imports.binary_search_by_key(&offset, |import| import.offset).ok()?;
        self.imports.get(index)
    }

    /// All statements.
    pub fn imports(&self) -> &[Import] {
        &self.imports
    }
}

/// The names that an instruction other than LOAD_GLOBAL works with, as indices into `co_names`.
#[cfg(Py_3_12)]
pub fn names_not_loaded_as_globals(code: &[u8]) -> BTreeSet<usize> {
    instructions(code)
        .filter_map(|Instruction { opcode, argument, .. }| {
            let (_, _, shift) =
                super::opcodes::NAMED.iter().find(|(_, named, _)| *named == opcode)?;
            Some(argument >> shift)
        })
        .collect()
}

struct Instruction {
    offset: usize,
    opcode: u16,
    argument: usize,
}

/// The instructions with their whole arguments; `offset` is that of the instruction proper, behind its EXTENDED_ARGs.
fn instructions(code: &[u8]) -> impl Iterator<Item = Instruction> + '_ {
    let mut extended = 0;
    code.chunks_exact(2).enumerate().filter_map(move |(index, pair)| {
        let opcode = u16::from(pair[0]);
        let argument = extended << 8 | usize::from(pair[1]);
        if opcode == EXTENDED_ARG {
            extended = argument;
            return None;
        }
        extended = 0;
        Some(Instruction { offset: index * 2, opcode, argument })
    })
}

/// The offset of the instruction proper behind the EXTENDED_ARGs that begin at an offset.
pub fn behind_extensions(code: &[u8], mut offset: usize) -> usize {
    while code.get(offset).is_some_and(|&byte| u16::from(byte) == EXTENDED_ARG) {
        offset += 2;
    }
    offset
}

/// Whether an exception in the instruction at an offset would be handled by `try`: by the exception table of 3.11 and later
/// (`Objects/exception_handling_notes.txt` of CPython has its format).
///
/// The handlers of `with` do not count. A handler of `with` begins with PUSH_EXC_INFO, WITH_EXCEPT_START; its own code is covered by
/// a clean-up, which is covered by whatever surrounds the statement.
#[cfg(Py_3_11)]
pub fn in_try(code: &[u8], exception_table: &[u8], offset: usize) -> bool {
    use super::opcodes::{PUSH_EXC_INFO, WITH_EXCEPT_START};
    let at = |offset: usize| code.get(offset).map(|&byte| u16::from(byte));
    let mut offset = offset;
    loop {
        let Some(handler) = handler_of(exception_table, offset) else { return false };
        if at(handler) != Some(PUSH_EXC_INFO) || at(handler + 2) != Some(WITH_EXCEPT_START) {
            return true;
        }
        // The clean-up of the handler; a program without one is not CPython's.
        let Some(cleanup) = handler_of(exception_table, handler) else { return false };
        offset = cleanup;
    }
}

/// The handler of an instruction, both as byte offsets.
#[cfg(Py_3_11)]
fn handler_of(exception_table: &[u8], offset: usize) -> Option<usize> {
    let mut bytes = exception_table.iter();
    let mut number = || {
        let mut byte = *bytes.next()?;
        let mut number = usize::from(byte & 63);
        while byte & 64 != 0 {
            byte = *bytes.next()?;
            number = number << 6 | usize::from(byte & 63);
        }
        Some(number)
    };
    let unit = offset / 2;
    loop {
        let (start, length, target, _depth) = (number()?, number()?, number()?, number()?);
        if unit < start {
            return None;
        }
        if unit < start + length {
            return Some(target * 2);
        }
    }
}
