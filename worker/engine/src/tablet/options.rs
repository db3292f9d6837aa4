//! RocksDB's settings: small files so that incremental sets stay small, memory bounded over all replicas together.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, LogLevel, Options, WriteBufferManager, WriteOptions};
use strandline_types::limits::MACROBLOCK_BYTES_TARGET;

/// Memtable of one column family.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// What an almost empty memtable costs: replicas have many column families.
const ARENA_BYTES: usize = 128 << 10;
/// Level 1; the levels below grow tenfold.
const LEVEL_BASE_BYTES: u64 = 32 << 20;
const BLOCK_BYTES: usize = 16 << 10;
const BLOOM_BITS: f64 = 10.0;
const OPEN_FILES_MAX: i32 = 256;
const BACKGROUND_JOBS: i32 = 2;

/// Memory that every replica of a process shares.
#[derive(Clone)]
pub(crate) struct SharedMemory {
    memtables: WriteBufferManager,
    blocks: Cache,
}

impl SharedMemory {
    pub(crate) fn new(write_buffer_bytes: usize, block_cache_bytes: usize) -> Self {
        Self {
            memtables: WriteBufferManager::new_write_buffer_manager(write_buffer_bytes, false),
            blocks: Cache::new_lru_cache(block_cache_bytes),
        }
    }

    pub(super) fn database(&self) -> Options {
        let mut o = self.column_family();
        o.create_if_missing(true);
        o.create_missing_column_families(true);
        o.set_atomic_flush(true);
        o.set_write_buffer_manager(&self.memtables);
        o.set_max_open_files(OPEN_FILES_MAX);
        o.set_max_background_jobs(BACKGROUND_JOBS);
        o.set_bytes_per_sync(1 << 20);
        o.set_keep_log_file_num(2);
        o.set_max_log_file_size(1 << 20);
        o.set_log_level(LogLevel::Warn);
        o.set_stats_dump_period_sec(0);
        o.set_stats_persist_period_sec(0);
        o
    }

    pub(super) fn column_family(&self) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.blocks);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_block_size(BLOCK_BYTES);
        table.set_bloom_filter(BLOOM_BITS, false);
        let mut o = Options::default();
        o.set_block_based_table_factory(&table);
        o.set_compression_type(DBCompressionType::Lz4);
        o.set_write_buffer_size(WRITE_BUFFER_BYTES);
        o.set_max_write_buffer_number(4);
        o.set_arena_block_size(ARENA_BYTES);
        o.set_target_file_size_base(MACROBLOCK_BYTES_TARGET);
        o.set_max_bytes_for_level_base(LEVEL_BASE_BYTES);
        o.set_level_compaction_dynamic_level_bytes(true);
        o
    }
}

/// The Raft log is the write-ahead log.
pub(super) fn without_wal() -> WriteOptions {
    let mut o = WriteOptions::default();
    o.disable_wal(true);
    o
}
