//! A running build, as `devsh status` shows it.

use std::time::SystemTime;

use serde::Serialize;

use crate::builder::build_progress::BuildProgress;

pub use crate::builder::build_progress::BuildStep;

/// A running build. The JSON form is part of the interface.
#[derive(Debug, Serialize)]
pub struct RunningBuild {
    pub process: u32,
    pub background: bool,
    pub shells: Vec<String>,
    pub seconds: u64,
    pub items: Vec<BuildItem>,
}

/// One thing that is being downloaded, unpacked or installed.
#[derive(Debug, Serialize)]
pub struct BuildItem {
    #[serde(flatten)]
    pub item: BuildStep,
    pub percent: Option<u64>,
}

impl RunningBuild {
    pub fn new(live: &BuildProgress, now: SystemTime) -> Self {
        let part = |item: &BuildStep| BuildItem {
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
}
