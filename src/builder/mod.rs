//! Makes what a lockfile names: store objects, Python environments and the profile that goes on `PATH`.
