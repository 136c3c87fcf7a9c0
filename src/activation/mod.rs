//! What a host shell has loaded, what it should have, and the way from one to the other.
