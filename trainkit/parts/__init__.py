"""Everything that a YAML can name: a folder a family, a file a part. The families by name, for `list` and the schema."""

from collections.abc import Mapping
from typing import Any

from trainkit.part import Registry


def families() -> Mapping[str, Registry[Any]]:
    """Every registry, by the name of its folder."""
    from trainkit.parts.augmentations import augmentations
    from trainkit.parts.loggers import loggers
    from trainkit.parts.losses import losses
    from trainkit.parts.metrics import metrics
    from trainkit.parts.models import models
    from trainkit.parts.optimizers import optimizers
    from trainkit.parts.preprocessing import preprocessing
    from trainkit.parts.schedules import schedules
    from trainkit.parts.sources import sources
    from trainkit.parts.tasks import tasks

    data = (sources, preprocessing, augmentations)
    return {registry.family: registry for registry in (*data, models, tasks, losses, metrics, optimizers, schedules, loggers)}
