//! The lines that Git writes into a file that two sides changed.

/// Returns the byte where the first line begins that Git wrote to mark a conflict.
pub fn find_conflict_marker(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // `=======` alone can be an underline.
        let rest = ["<<<<<<<", "|||||||", ">>>>>>>"]
            .iter()
            .find_map(|marker| line.strip_prefix(marker));
        if rest.is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with(' ')) {
            return Some(start);
        }
        start += line.len();
    }
    None
}
