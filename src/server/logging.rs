//! The log on standard error: text or one JSON object a line, written by a thread of its own, so that nobody waits
//! for a slow or stuck reader. What does not fit into the buffer is counted and dropped.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use env_logger::{Builder, Target, fmt::Formatter};
use log::{LevelFilter, Record};

use super::frame::ACCESS;
use crate::{
    base::{clock::Clock, db::StartError},
    config::{Log, LogFormat, LogLevel},
};

/// Bytes that may wait.
const ROOM: usize = 8 * 1024 * 1024;
/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(5);
/// Longest wait for the lines to be out.
const PATIENCE: Duration = Duration::from_secs(2);

static SINK: OnceLock<Arc<Sink>> = OnceLock::new();

/// Sends the log of this process to standard error. Panics are logged too.
///
/// # Errors
/// When the process has a log already, or a thread cannot be started.
pub fn start(config: &Log) -> Result<(), StartError> {
    let sink = Arc::clone(SINK.get_or_init(Arc::default));
    let flusher = Arc::clone(&sink);
    thread::Builder::new()
        .name("latchkey-log".to_owned())
        .spawn(move || flusher.write_out(&mut io::stderr()))
        .map_err(|error| format!("cannot start the log's thread: {error}"))?;
    let level = match config.level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    };
    // What libraries tell is for those who look for a fault.
    let others = if level <= LevelFilter::Info { LevelFilter::Warn } else { level };
    Builder::new()
        .filter_level(level.min(others))
        .filter_module("latchkey", level)
        .filter_module(ACCESS, level)
        .filter_module("panic", level)
        .format(match config.format {
            LogFormat::Text => text,
            LogFormat::Json => json,
        })
        .target(Target::Pipe(Box::new(Pipe(sink))))
        .try_init()
        .map_err(|error| error.to_string())?;
    std::panic::set_hook(Box::new(|panic| {
        log::error!(target: "panic", "{panic}");
        wait(Duration::from_millis(100)); // a worker lives on after a panic, so not for long
    }));
    Ok(())
}

/// Waits, for a while, until every line so far is out.
pub fn flush() {
    wait(PATIENCE);
}

fn wait(patience: Duration) {
    if let Some(sink) = SINK.get() {
        sink.flush(patience);
    }
}

#[derive(Default)]
struct Sink {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    dropped: u64,
    /// Whether the thread has lines in hand that are not out yet.
    writing: bool,
    /// Whether somebody waits for the lines to be out.
    hurry: bool,
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.waiting.len() + line.len() > ROOM {
            lines.dropped += 1;
            return;
        }
        let was_empty = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// The thread's body: takes what waits and writes it, for ever.
    fn write_out(&self, out: &mut impl Write) {
        let mut taken = Vec::new();
        loop {
            let mut lines = self.lock();
            lines.writing = false;
            self.changed.notify_all();
            while lines.waiting.is_empty() && lines.dropped == 0 {
                lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
            }
            if !lines.hurry {
                drop(lines);
                thread::sleep(GATHER);
                lines = self.lock();
            }
            lines.writing = true;
            std::mem::swap(&mut taken, &mut lines.waiting);
            let dropped = std::mem::take(&mut lines.dropped);
            drop(lines);
            // Where standard error is closed there is nobody to tell.
            let _ = out.write_all(&taken);
            if dropped > 0 {
                let _ = writeln!(out, "{dropped} log lines were dropped: standard error was not read");
            }
            let _ = out.flush();
            taken.clear();
            taken.shrink_to(64 * 1024);
        }
    }

    fn flush(&self, patience: Duration) {
        let mut lines = self.lock();
        lines.hurry = true;
        self.changed.notify_all();
        let out = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        let waited = self.changed.wait_timeout_while(lines, patience, out);
        let (mut lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        lines.hurry = false;
    }
}

struct Pipe(Arc<Sink>);

impl Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    with_time(|time| writeln!(out, "{time} {:5} {} {}", record.level(), record.target(), record.args()))
}

fn json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (level, target) = (record.level(), record.target());
    with_time(|time| {
        if target == ACCESS {
            // The frame writes the members itself.
            return writeln!(out, r#"{{"time":"{time}","level":"{level}","target":"{target}",{}}}"#, record.args());
        }
        let message = serde_json::Value::from(record.args().to_string());
        writeln!(out, r#"{{"time":"{time}","level":"{level}","target":"{target}","message":{message}}}"#)
    })
}

/// Hands over the time as text. The part down to the second is made once a second.
fn with_time(write: impl FnOnce(&str) -> io::Result<()>) -> io::Result<()> {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = Clock::System.now();
    let (second, millis) = (now.0.div_euclid(1000), now.0.rem_euclid(1000));
    // Taken out while it is used: what is being logged may log something itself.
    let (known, mut text) = LAST.take();
    if known == second && text.len() > 20 {
        text.truncate(20);
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{millis:03}Z")); // into a String: cannot fail
    } else {
        text = now.to_string();
    }
    let written = write(&text);
    LAST.set((second, text));
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_room_are_counted_and_not_kept() {
        let sink = Sink::default();
        sink.add(&vec![b'x'; ROOM]);
        sink.add(b"one too many\n");
        sink.add(b"another\n");
        let lines = sink.lock();
        assert_eq!((lines.waiting.len(), lines.dropped), (ROOM, 2));
    }

    #[test]
    fn flush_returns_when_every_line_is_out() {
        struct Out(Arc<Mutex<Vec<u8>>>);
        impl Write for Out {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (sink, written) = (Arc::new(Sink::default()), Arc::new(Mutex::new(Vec::new())));
        let (thread, mut out) = (Arc::clone(&sink), Out(Arc::clone(&written)));
        thread::spawn(move || thread.write_out(&mut out));
        for number in 0..100 {
            sink.add(format!("{number}\n").as_bytes());
        }
        sink.flush(Duration::from_secs(60));
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert!(text.ends_with("99\n"));
    }

    #[test]
    fn the_time_of_a_line_is_the_clock_s() {
        let before = Clock::System.now().to_string();
        for _ in 0..3 {
            with_time(|time| {
                assert_eq!(time.len(), 24);
                assert!(time >= before.as_str() && time.ends_with('Z'), "{time}");
                Ok(())
            })
            .unwrap();
        }
    }
}
