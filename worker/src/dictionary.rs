//! The data dictionary as it lies on the medium. The wire has the same fields; both are spelled out so that neither can
//! change without the other being looked at.

use strandline_format::pb;
use strandline_proto::v1;

/// The wire's dictionary as the format's.
pub(crate) fn for_medium(dictionary: &v1::Dictionary) -> pb::Dictionary {
    let tablet = |t: &v1::Tablet| pb::DictionaryTablet { tablet_id: t.tablet_id, ls_id: t.ls_id };
    let table = |t: &v1::Table| pb::DictionaryTable {
        table_id: t.table_id,
        name: t.name.clone(),
        tablets: t.tablets.iter().map(tablet).collect(),
    };
    pb::Dictionary {
        version: dictionary.version,
        scn: dictionary.scn,
        tables: dictionary.tables.iter().map(table).collect(),
        next_tablet_id: dictionary.next_tablet_id,
    }
}

/// The format's dictionary as the wire's.
pub(crate) fn from_medium(dictionary: &pb::Dictionary) -> v1::Dictionary {
    let tablet = |t: &pb::DictionaryTablet| v1::Tablet { tablet_id: t.tablet_id, ls_id: t.ls_id };
    let table = |t: &pb::DictionaryTable| v1::Table {
        table_id: t.table_id,
        name: t.name.clone(),
        tablets: t.tablets.iter().map(tablet).collect(),
    };
    v1::Dictionary {
        version: dictionary.version,
        scn: dictionary.scn,
        tables: dictionary.tables.iter().map(table).collect(),
        next_tablet_id: dictionary.next_tablet_id,
    }
}
