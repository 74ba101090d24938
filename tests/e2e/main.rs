//! Dunlin as its users have it: the real binary on free ports, called over
//! HTTP and through its own command line. A file per story.

#[allow(dead_code, unused_imports, reason = "the zoo uses more of it")]
mod harness;

mod answers;
mod around;
mod attacks;
mod commands;
mod config;
mod connections;
mod crash;
mod damage;
mod deploying;
mod disconnecting;
mod docs;
mod doctor;
mod editor;
mod egress;
mod failures;
mod invoke;
mod isolation;
mod lanes;
mod loading;
mod messages;
mod metrics;
mod new;
mod openapi;
mod regressions;
mod secrets;
mod sharing;
mod standard;
mod stopping;
mod streaming;
mod testing;
mod tls;
mod tokens;
mod tutorial;
mod up;
mod uploading;
mod versions;
mod websocket;
