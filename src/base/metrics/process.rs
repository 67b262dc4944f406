//! The process itself, read from Linux's `/proc` when somebody asks; elsewhere only the start time is known.

use std::fs;

use entity::UtcMillis;
use prometheus::{
    Counter, Gauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Memory, processor time, open files and start time, under the names Prometheus' own libraries use.
#[derive(Debug)]
pub(super) struct Process {
    memory: Gauge,
    cpu: Counter,
    files: Gauge,
    start: Gauge,
}

impl Process {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in f64")]
    pub(super) fn new(started: UtcMillis) -> prometheus::Result<Self> {
        let start = Gauge::new("process_start_time_seconds", "Start of the process since 1970, in seconds.")?;
        start.set(started.0 as f64 / 1e3);
        Ok(Self {
            memory: Gauge::new("process_resident_memory_bytes", "Memory held, in bytes.")?,
            cpu: Counter::new("process_cpu_seconds_total", "Processor time used, in seconds.")?,
            files: Gauge::new("process_open_fds", "Open file descriptors.")?,
            start,
        })
    }

    fn parts(&self) -> [&dyn Collector; 4] {
        [&self.memory, &self.cpu, &self.files, &self.start]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "neither memory nor ticks reach 2^53")]
    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(kibibytes) = fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text)) {
            self.memory.set(kibibytes as f64 * 1024.0);
        }
        if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| ticks(&text)) {
            let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            self.files.set(files.count() as f64);
        }
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

/// `VmRSS` of `/proc/self/status`, in KiB (proc(5)).
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime` of `/proc/self/stat`, fields 14 and 15 (proc(5)); the name in field 2 may hold blanks.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_name_with_blanks() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0 1";
        assert_eq!(ticks(stat), Some(150));
    }

    #[test]
    fn memory_is_read_from_its_own_line() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nVmSwap:\t 1 kB\n"), Some(2048));
    }
}
