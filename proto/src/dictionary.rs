//! Conversions of the data dictionary between the wire and the nouns.

use crate::v1;
use strandline_types::dictionary::{Dictionary, Table, TabletList, TabletPlace};
use strandline_types::{LsId, Scn, TabletId};

impl From<Dictionary> for v1::Dictionary {
    fn from(d: Dictionary) -> Self {
        Self {
            version: d.version,
            scn: d.scn.map_or(0, |scn| scn.0),
            tables: d.tables.into_iter().map(Into::into).collect(),
            next_tablet_id: d.next_tablet.map_or(0, |tablet| tablet.0),
        }
    }
}

impl From<v1::Dictionary> for Dictionary {
    fn from(d: v1::Dictionary) -> Self {
        Self {
            version: d.version,
            scn: (d.scn > 0).then_some(Scn(d.scn)),
            tables: d.tables.into_iter().map(Into::into).collect(),
            next_tablet: (d.next_tablet_id > 0).then_some(TabletId(d.next_tablet_id)),
        }
    }
}

impl From<Table> for v1::Table {
    fn from(t: Table) -> Self {
        let tablet = |t: TabletPlace| v1::Tablet { tablet_id: t.tablet.0, ls_id: t.ls.0 };
        Self { table_id: t.id, name: t.name, tablets: t.tablets.into_iter().map(tablet).collect() }
    }
}

impl From<v1::Table> for Table {
    fn from(t: v1::Table) -> Self {
        let tablet = |t: v1::Tablet| TabletPlace { tablet: TabletId(t.tablet_id), ls: LsId(t.ls_id) };
        Self { id: t.table_id, name: t.name, tablets: t.tablets.into_iter().map(tablet).collect() }
    }
}

impl From<TabletList> for v1::TabletList {
    fn from(l: TabletList) -> Self {
        let tablet_ids = l.tablets.into_iter().map(|tablet| tablet.0).collect();
        Self { version: l.version, next_tablet_id: l.next_tablet.0, tablet_ids }
    }
}

impl From<v1::TabletList> for TabletList {
    fn from(l: v1::TabletList) -> Self {
        let tablets = l.tablet_ids.into_iter().map(TabletId).collect();
        Self { version: l.version, next_tablet: TabletId(l.next_tablet_id), tablets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_keeps_every_field_on_its_way_over_the_wire() {
        let tablets = vec![v1::Tablet { tablet_id: 500_001, ls_id: 1001 }];
        let tables = vec![v1::Table { table_id: 4, name: "t".to_owned(), tablets }];
        for (scn, next_tablet_id) in [(0, 0), (70, 500_002)] {
            let sent = v1::Dictionary { version: 3, scn, tables: tables.clone(), next_tablet_id };
            assert_eq!(v1::Dictionary::from(Dictionary::from(sent.clone())), sent);
        }
        let list = v1::TabletList { version: 3, next_tablet_id: 9, tablet_ids: vec![1, 7] };
        assert_eq!(v1::TabletList::from(TabletList::from(list.clone())), list);
    }
}
