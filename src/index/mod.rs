//! What the sources offer: versions and their artifacts, in memory.
