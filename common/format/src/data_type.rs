//! Which kind of small file a common header announces. Numbers are those of the original (docs/oceanbase.md, 3.5); kinds that
//! only this project has count from 1000. A number is never reused.

use std::fmt;

macro_rules! data_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Kind of a small file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DataType {
            $($(#[$doc])* $name,)*
        }

        impl DataType {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the medium.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// From the number on the medium.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for DataType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

data_types! {
    /// `single_backup_set_info`.
    BackupSetInfo = 7, "backup set info";
    /// `locality_info`.
    LocalityInfo = 12, "locality info";
    /// `diagnose_info`.
    DiagnoseInfo = 13, "diagnose info";
    /// `round_*_start`.
    RoundStart = 18, "round start";
    /// `round_*_end`.
    RoundEnd = 19, "round end";
    /// `single_piece_info`.
    SinglePieceInfo = 20, "single piece info";
    /// `piece_*_start_*`.
    PieceStart = 21, "piece start";
    /// `tablet_log_stream_info`.
    TabletLogStreamInfo = 23, "tablet to log stream map";
    /// Start, end and inner placeholders of a backup set.
    SetPlaceholder = 24, "backup set placeholder";
    /// `checkpoint_info.0`.
    CheckpointInfo = 26, "checkpoint info";
    /// `tenant_backup_set_infos`.
    TenantBackupSetInfos = 27, "tenant backup set infos";
    /// `piece_*_end_*`.
    PieceEnd = 28, "piece end";
    /// `format.obbak`.
    Format = 29, "format";
    /// The display placeholder inside a piece.
    PieceInner = 30, "piece placeholder";
    /// `file_info` of a piece.
    PieceFileList = 31, "piece file list";
    /// `file_info` of a log stream.
    SingleLsFileList = 32, "log stream file list";
    /// Connectivity probe.
    CheckFile = 33, "check file";
    /// `ls_meta_infos`.
    LsMetaInfos = 34, "log stream meta infos";
    /// `tenant_archive_piece_infos`.
    TenantArchivePieceInfos = 35, "tenant archive piece infos";
    /// `deleted_tablet_info`.
    DeletedTabletInfo = 36, "deleted tablets";
    /// `tablet_info.<n>`.
    TabletInfo = 37, "tablet info";
    /// `table_list.<scn>.<n>`.
    TableList = 38, "table list";
    /// `table_list_meta_info.<scn>`.
    TableListMeta = 39, "table list meta info";
    /// `tenant_parameter` and `cluster_parameter.<time>`.
    Parameters = 41, "parameters";
    /// `ls_attr_info.<turn>`.
    LsAttrInfo = 1000, "log stream attributes";
    /// `schema_meta/<scn>`.
    SchemaMeta = 1001, "schema meta";
    /// `ls_meta_info`.
    LsMetaInfo = 1002, "log stream meta info";
    /// `@APD_PART@FORMAT_META`.
    AppendFormatMeta = 1003, "append format meta";
    /// `@APD_PART@SEAL_META`.
    SealMeta = 1004, "seal meta";
    /// A compressed part of a log file.
    PackedPart = 1005, "packed part of a log file";
    /// An encrypted part of a log file, compressed before or not.
    SealedPart = 1006, "sealed part of a log file";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        let numbers: BTreeSet<u16> = DataType::ALL.iter().map(|t| t.number()).collect();
        assert_eq!(numbers.len(), DataType::ALL.len());
        for t in DataType::ALL {
            assert_eq!(DataType::from_number(t.number()), Some(*t));
        }
        assert_eq!(DataType::from_number(999), None);
    }
}
