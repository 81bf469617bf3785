//! The fuzz targets as modules, for the smoke run; cargo-fuzz builds each file as a program of its own.

pub mod data_directory;
pub mod promql_lexer;
pub mod promql_parse;
pub mod promql_round_trip;
pub mod promql_series;
pub mod regex;
