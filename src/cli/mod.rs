//! The command line: parse, dispatch, report, exit code.
