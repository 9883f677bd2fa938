"""Schemas of the JSON files that are saved, and the check against them."""

from lens_probes.storage.schemas.base import check_format as check_format
from lens_probes.storage.schemas.base import check_version as check_version
from lens_probes.storage.schemas.base import checked as checked
from lens_probes.storage.schemas.base import read_json as read_json
from lens_probes.storage.schemas.lesson_record import LessonRecord as LessonRecord
from lens_probes.storage.schemas.other_folders import AtlasManifest as AtlasManifest
from lens_probes.storage.schemas.other_folders import CardManifest as CardManifest
from lens_probes.storage.schemas.other_folders import FindingNumbers as FindingNumbers
from lens_probes.storage.schemas.other_folders import ReplicationManifest as ReplicationManifest
from lens_probes.storage.schemas.other_folders import ScreenManifest as ScreenManifest
from lens_probes.storage.schemas.other_folders import StoreManifest as StoreManifest
from lens_probes.storage.schemas.sweep_result import ResultManifest as ResultManifest
