//! Archives whose members are right and whose frame is not.

use super::{
    fixtures::{gz, xz},
    hostile::{Compress, with, zst},
};

/// Everything that must be refused, by a name for messages.
pub(super) fn cases() -> Vec<(String, Vec<u8>)> {
    let member = with("a", b'0', "x").bytes(false);
    let zeros = |count: usize| vec![0_u8; 512 * count];
    let tars: Vec<(&str, Vec<u8>)> = vec![
        ("no end", member.clone()),
        ("half an end", [member.clone(), zeros(1)].concat()),
        (
            "a member in the end",
            [member.clone(), zeros(1), member.clone(), zeros(2)].concat(),
        ),
        (
            "a member behind the end",
            [member.clone(), zeros(2), member.clone()].concat(),
        ),
        (
            "text behind the end",
            [member.clone(), zeros(2), b"text".to_vec()].concat(),
        ),
        ("a cut header", member[..300].to_vec()),
        ("cut data", member[..600].to_vec()),
        ("an old header", {
            let mut old = member.clone();
            old[257..265].fill(0);
            [old, zeros(2)].concat()
        }),
        ("nothing", Vec::new()),
    ];
    let mut all = Vec::new();
    let good = [member, zeros(2)].concat();
    for (kind, compress) in [("gz", gz as Compress), ("xz", xz), ("zst", zst)] {
        for (name, tar) in &tars {
            all.push((format!("{name} ({kind})"), compress(tar)));
        }
        let whole = compress(&good);
        all.push((
            format!("text behind the stream ({kind})"),
            [&whole[..], b"text"].concat(),
        ));
        all.push((
            format!("a cut stream ({kind})"),
            whole[..whole.len() - 3].to_vec(),
        ));
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 0x40;
        all.push((format!("a changed stream ({kind})"), changed));
    }
    all.push(("no compression".to_owned(), good));
    all
}
