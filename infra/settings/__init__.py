"""Typed, validated stack configuration: the only reader of `pulumi.Config`."""

from infra.settings.cluster import ClusterSettings, ExistingCluster, ManagedCluster
from infra.settings.crawler import STAGES, QueueSettings, Stage, queue_name
from infra.settings.fleet import FleetSettings, Prewarm
from infra.settings.image import ImageSettings
from infra.settings.monitoring import MonitoringSettings
from infra.settings.network import ExistingNetwork, NewNetwork
from infra.settings.reading import load, parse, raw_config
from infra.settings.stack import Settings

__all__ = [
    "STAGES",
    "ClusterSettings",
    "ExistingCluster",
    "ExistingNetwork",
    "FleetSettings",
    "ImageSettings",
    "ManagedCluster",
    "MonitoringSettings",
    "NewNetwork",
    "Prewarm",
    "QueueSettings",
    "Settings",
    "Stage",
    "load",
    "parse",
    "queue_name",
    "raw_config",
]
