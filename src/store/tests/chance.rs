//! Random numbers and the amount of work, for generated tests.

/// Numbers that look random and are the same each time.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Returns the amount of work: `short` in the suite, `long` with `DEVSH_TEST_LONG=1`, and so many hundredths
/// of that with a greater number.
pub(super) fn effort(short: usize, long: usize) -> usize {
    let context = crate::context::Context::from_process();
    let asked = context.env.get("DEVSH_TEST_LONG");
    let asked = asked.and_then(|asked| asked.to_str()?.parse::<usize>().ok());
    match asked.unwrap_or(0) {
        0 => short,
        1 => long,
        part => (long * part / 100).max(short),
    }
}
