//! The lines of instructions, as the tables of code objects have them. CPython describes the forms in Objects/lnotab_notes.txt, and
//! from 3.11 on in Objects/locations.md or InternalDocs/code_objects.md.

/// A code object that imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Number of its file's name.
    pub file: u32,
    first_line: u32,
    form: u8,
    table: Vec<u8>,
}

impl Code {
    /// By a record's flags and words: the table's form; file and first line, bytes of the table, and the table.
    pub fn read(form: u8, words: &[u64]) -> Option<Code> {
        let [file, length, table @ ..] = words else { return None };
        let mut table: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
        table.truncate(usize::try_from(*length).ok()?);
        Some(Code { file: (file >> 32) as u32, first_line: *file as u32, form, table })
    }

    /// The line of a place: of the instruction at an offset, or the place itself where there is no table; 0 where it has none.
    pub fn line(&self, place: u32) -> u32 {
        let line = match self.form {
            1 => self.by_increments(place),
            2 => self.by_ranges(place),
            3 => self.by_locations(place),
            _ => Some(i64::from(place)),
        };
        line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
    }

    /// `co_lnotab`: steps of the offset and of the line in turn.
    fn by_increments(&self, offset: u32) -> Option<i64> {
        let (mut at, mut line) = (0, i64::from(self.first_line));
        for pair in self.table.chunks_exact(2) {
            at += u32::from(pair[0]);
            if at > offset {
                break;
            }
            line += i64::from(pair[1] as i8);
        }
        Some(line)
    }

    /// `co_linetable` of 3.10: the bytes of a range and the step of the line to it; -128 for a range without a line.
    fn by_ranges(&self, offset: u32) -> Option<i64> {
        let (mut end, mut line) = (0, i64::from(self.first_line));
        for pair in self.table.chunks_exact(2) {
            end += u32::from(pair[0]);
            let step = pair[1] as i8;
            let has_line = step != i8::MIN;
            line += if has_line { i64::from(step) } else { 0 };
            if offset < end {
                return has_line.then_some(line);
            }
        }
        None
    }

    /// `co_linetable` from 3.11 on: entries that begin with a byte whose highest bit is set; it holds the form of the entry, which
    /// says how the step of the line is written, and how many instructions of two bytes the entry is for.
    fn by_locations(&self, offset: u32) -> Option<i64> {
        /// Steps of 0 to 2 lines.
        const SHORT: std::ops::RangeInclusive<u8> = 10..=12;
        const NO_COLUMNS: u8 = 13;
        const LONG: u8 = 14;
        const NO_LINE: u8 = 15;
        let (mut end, mut line) = (0, i64::from(self.first_line));
        let mut rest = &self.table[..];
        while let Some((&head, after)) = rest.split_first() {
            let form = head >> 3 & 15;
            end += 2 * (u32::from(head & 7) + 1);
            line += match form {
                NO_COLUMNS | LONG => signed(after),
                _ if SHORT.contains(&form) => i64::from(form - SHORT.start()),
                _ => 0,
            };
            if offset < end {
                return (form != NO_LINE).then_some(line);
            }
            let next = after.iter().position(|byte| byte & 0x80 != 0).unwrap_or(after.len());
            rest = &after[next..];
        }
        None
    }
}

/// A signed number at the beginning of some bytes: six bits in each, the lowest first; 64 says that there are more. The lowest bit of
/// all is the sign.
fn signed(bytes: &[u8]) -> i64 {
    let mut number: u64 = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 63) << (6 * index);
        if byte & 64 == 0 {
            break;
        }
    }
    let amount = (number >> 1) as i64;
    if number & 1 == 1 { -amount } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What CPython 3.9, 3.10, 3.11 and 3.13 make of a module that imports in its first line, in line 5 (in a `try`, whose handler calls
    /// in line 8), and in line 81; and the offsets of these instructions.
    const TABLES: [(u8, &[u8], [u32; 4]); 4] = [
        (1, &[8, 3, 2, 1, 12, 1, 12, 2, 4, 1, 2, 255, 2, 255, 8, 74], [4, 14, 40, 54]),
        (
            2,
            &[8, 0, 2, 3, 12, 1, 12, 1, 4, 2, 2, 1, 2, 255, 6, 255, 2, 255, 12, 75],
            [4, 14, 40, 54],
        ),
        (
            3,
            &[
                240, 3, 1, 1, 1, 216, 0, 8, 128, 8, 128, 8, 128, 8, 240, 6, 6, 1, 6, 216, 4, 12,
                128, 72, 128, 72, 128, 72, 128, 72, 248, 216, 7, 18, 240, 0, 4, 1, 6, 240, 0, 4, 1,
                6, 240, 0, 4, 1, 6, 224, 8, 11, 136, 1, 140, 3, 216, 12, 13, 241, 3, 1, 9, 15, 244,
                0, 1, 9, 15, 240, 3, 0, 5, 6, 128, 65, 128, 65, 240, 3, 4, 1, 6, 248, 248, 248,
                240, 86, 2, 0, 1, 9, 128, 8, 128, 8, 128, 8, 128, 8, 128, 8,
            ],
            [6, 16, 52, 80],
        ),
        (
            3,
            &[
                240, 3, 1, 1, 1, 219, 0, 8, 240, 6, 6, 1, 6, 219, 4, 12, 244, 88, 2, 0, 1, 9, 248,
                240, 87, 2, 0, 8, 19, 243, 0, 4, 1, 6, 224, 8, 9, 143, 3, 138, 3, 216, 12, 13, 243,
                3, 1, 9, 15, 242, 3, 0, 5, 6, 240, 3, 4, 1, 6, 250,
            ],
            [6, 16, 68, 24],
        ),
    ];

    fn code(form: u8, table: &[u8]) -> Code {
        Code { file: 1, first_line: 1, form, table: table.to_vec() }
    }

    #[test]
    fn a_place_without_a_table_is_its_line() {
        assert_eq!(code(0, &[]).line(7), 7);
    }

    #[test]
    fn lines_by_the_tables_of_all_versions() {
        for (form, table, offsets) in TABLES {
            let lines = offsets.map(|offset| code(form, table).line(offset));
            assert_eq!(lines, [1, 5, 8, 81], "{form}");
        }
    }

    #[test]
    fn an_instruction_without_a_line_has_none() {
        assert_eq!(code(2, &[4, 0, 2, 128, 6, 3]).line(4), 0);
        assert_eq!(code(3, &[0xf8]).line(0), 0);
    }

    proptest! {
        #[test]
        fn no_table_makes_it_panic(
            form in 0_u8..5,
            table in proptest::collection::vec(any::<u8>(), 0..200),
            place in any::<u32>(),
        ) {
            code(form, &table).line(place);
        }
    }
}
