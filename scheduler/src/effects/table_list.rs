//! `infos/table_list/`: the names of a tenant's tables at the set's consistent point, for tools that list a set.

use super::put;
use strandline_format::DataType;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::state::{Dictionary, Table};
use strandline_types::{Failure, Scn};

/// Names in one file.
const BATCH: usize = 20_000;

/// Writes the name files, then the file that tells how many there are.
pub async fn write(medium: &dyn Medium, set: SetName, scn: Scn, dictionary: &Dictionary) -> Result<(), Failure> {
    let mut tables: Vec<&Table> = dictionary.tables.iter().collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut parts = Vec::new();
    for (n, batch) in tables.chunks(BATCH).enumerate() {
        let list = pb::TableList { tables: batch.iter().map(|t| table_name(t)).collect() };
        let path = BackupPath::TableList { set, scn, n: n as u64 + 1 }.path();
        put::once(medium, &path, DataType::TableList, &list).await?;
        if let (Some(first), Some(last)) = (batch.first(), batch.last()) {
            parts.push(pb::TableListPart { start_key: first.name.clone().into(), end_key: last.name.clone().into() });
        }
    }
    let meta = pb::TableListMeta { scn: scn.0, count: tables.len() as u64, batch_size: BATCH as u64, parts };
    put::once(medium, &BackupPath::TableListMeta { set, scn }.path(), DataType::TableListMeta, &meta).await
}

/// Tables are not grouped into databases here.
fn table_name(table: &Table) -> pb::TableName {
    pb::TableName { db_name: String::new(), table_name: table.name.clone(), table_id: table.id.0 }
}
