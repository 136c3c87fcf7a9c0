//! A build that is under way, as `devsh status` shows it.

use std::time::SystemTime;

use serde::Serialize;

use crate::{
    builder::build_progress::{Item, Live},
    config::units::bytes,
};

/// A build that is under way.
#[derive(Debug, Serialize)]
pub(super) struct Building {
    process: u32,
    background: bool,
    shells: Vec<String>,
    seconds: u64,
    items: Vec<Part>,
}

/// One thing that is being downloaded, unpacked or installed.
#[derive(Debug, Serialize)]
struct Part {
    #[serde(flatten)]
    item: Item,
    percent: Option<u64>,
}

impl Building {
    pub(super) fn new(live: &Live, now: SystemTime) -> Self {
        let part = |item: &Item| Part {
            item: item.clone(),
            percent: item.percent(),
        };
        Self {
            process: live.process,
            background: live.background,
            shells: live.shells.clone(),
            seconds: live.elapsed(now).as_secs(),
            items: live.items.iter().map(part).collect(),
        }
    }

    /// Which dev shells, where, for how long.
    pub(super) fn heading(&self) -> String {
        // A build that is only looking versions up, or one that could not tell, has told nothing yet.
        if self.process == 0 {
            return "has begun".to_owned();
        }
        let place = if self.background {
            "in the background"
        } else {
            "by a command"
        };
        let (shells, seconds) = (self.shells.join(", "), self.seconds);
        format!(
            "{shells} {place} for {seconds} s (process {})",
            self.process
        )
    }

    /// One line for each thing that is under way.
    pub(super) fn lines(&self) -> Vec<String> {
        let width = self.items.iter().map(|part| part.item.name.len()).max();
        let line = |part: &Part| {
            let Item {
                name,
                phase,
                done,
                total,
            } = &part.item;
            let phase = phase.as_deref().unwrap_or("downloading");
            let far = match total {
                Some(total) if done < total => format!(
                    "{phase}  {:>3} %  {} of {}",
                    part.percent.unwrap_or_default(),
                    bytes(*done),
                    bytes(*total)
                ),
                None if *done > 0 => format!("{phase}  {}", bytes(*done)),
                // What comes after the last byte (unpacking) has no measure.
                _ => phase.to_owned(),
            };
            format!("{name:<0$}  {far}", width.unwrap_or_default())
        };
        self.items.iter().map(line).collect()
    }

    /// What can be done while it runs.
    pub(super) fn hint(&self, sync: &str) -> String {
        if self.background {
            format!("it is loaded at your next prompt once it is ready; `{sync}` waits for it")
        } else {
            format!("`{sync}` waits for it")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_build_says_what_how_much_and_for_how_long() {
        let now = UNIX_EPOCH + Duration::from_secs(50);
        let mut live = Live::begin(vec!["dev".to_owned()], true, now);
        live.process = 7;
        live.items = vec![
            Item {
                name: "python 3.12.4".to_owned(),
                phase: Some("unpacking".to_owned()),
                ..Item::default()
            },
            Item {
                name: "ruff 0.12.4".to_owned(),
                done: 5 << 20,
                total: Some(20 << 20),
                ..Item::default()
            },
        ];
        let building = Building::new(&live, now + Duration::from_secs(12));
        assert_eq!(
            building.heading(),
            "dev in the background for 12 s (process 7)"
        );
        assert_eq!(
            building.lines(),
            [
                "python 3.12.4  unpacking",
                "ruff 0.12.4    downloading   25 %  5.0 MiB of 20.0 MiB"
            ]
        );
        let json = serde_json::to_value(&building).unwrap();
        assert_eq!(json["items"][1]["percent"], 25);
        assert_eq!(json["items"][0]["percent"], serde_json::Value::Null);
    }
}
