"""Changes to the app tree, each a deployment (GroupManager and MarathonSchedulerActor of Marathon 1.11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.mesos.marathon import rules
from local.mesos.marathon.definition import App, Json
from local.mesos.marathon.deployments import Deployment, Deployments
from local.mesos.marathon.errors import ConflictError, InvalidObjectError
from local.mesos.marathon.groups import GroupChange
from local.mesos.marathon.plan import Plan, Tree, make_plan, reverted
from local.mesos.marathon.reading import with_service_ports
from local.mesos.marathon.scheduler import Scheduler
from local.mesos.marathon.state import AppVersion, Instance
from local.mesos.marathon.timestamps import VersionClock


@dataclass
class Manager:
    """All changes to apps go through here; each method raises before anything is changed, or changes everything.

    Every method raises `AppLockedError` where another deployment holds an app and ``force`` is not set, and
    `InvalidObjectError` where the tree as a whole would break a rule.
    """

    scheduler: Scheduler
    deployments: Deployments
    clock: VersionClock

    def create(self, app: App, *, force: bool = False) -> Plan:
        """Raises ConflictError where the id exists."""
        state = self.scheduler.state
        if state.find(app.id):
            raise ConflictError(f"An app with id [{app.id}] already exists.")
        return self.put([app], force=force)

    def put(self, apps: Iterable[App], *, force: bool = False) -> Plan:
        """Create or replace apps, all in one deployment."""
        version = self.clock.next()
        tree = self._with(self.scheduler.state.apps(), apps, version)
        return self._deploy(version, tree, force=force)

    def change(self, change: GroupChange, *, force: bool = False) -> Plan:
        """Change a group and all below it in one deployment."""
        version = self.clock.next()
        state = self.scheduler.state
        with state.changed.together():
            plan = self._deploy(version, self._changed(change, version), force=force)
            state.groups -= change.removed
            state.groups |= change.added
        return plan

    def planned(self, change: GroupChange) -> Plan:
        """The deployment that `change` would make; nothing is changed."""
        version = self.clock.next()
        return make_plan(version, self.scheduler.state.apps(), self._changed(change, version))

    def _changed(self, change: GroupChange, version: str) -> dict[str, AppVersion]:
        tree = self.scheduler.state.apps()
        for app_id in change.delete:
            tree.pop(app_id, None)
        return self._with(tree, change.put, version)

    def _with(self, tree: dict[str, AppVersion], apps: Iterable[App], version: str) -> dict[str, AppVersion]:
        for app in apps:
            before = tree.get(app.id)
            taken = {
                port
                for other in tree.values()
                if other.app.id != app.id
                for port in other.app.service_ports()
            }
            stored = with_service_ports(app, before=before.app if before else None, taken=taken)
            tree[app.id] = before.changed_to(stored, version) if before else AppVersion.first(stored, version)
        return tree

    def delete(self, app_ids: Iterable[str], *, force: bool = True) -> Plan:
        """Raises NotFoundError where an app is unknown."""
        tree = self.scheduler.state.apps()
        for app_id in app_ids:
            self.scheduler.state.app(app_id)
            del tree[app_id]
        return self._deploy(self.clock.next(), tree, force=force)

    def restart(self, app_id: str, *, force: bool = False) -> Plan:
        """Raises NotFoundError where the app is unknown."""
        version = self.clock.next()
        tree = self.scheduler.state.apps()
        tree[app_id] = self.scheduler.state.app(app_id).restarted(version)
        return self._deploy(version, tree, force=force)

    def kill_and_scale(self, instances: Iterable[Instance], *, force: bool = False) -> Plan:
        """End these very instances and lower their apps' ``instances`` by as many."""
        version = self.clock.next()
        tree = self.scheduler.state.apps()
        by_app: dict[str, list[str]] = {}
        for instance in instances:
            by_app.setdefault(instance.app_id, []).append(instance.id)
        for app_id, doomed in by_app.items():
            before = self.scheduler.state.app(app_id)
            fewer = before.app.model_copy(update={"instances": max(0, before.app.instances - len(doomed))})
            tree[app_id] = before.changed_to(fewer, version)
        kills = {app_id: tuple(doomed) for app_id, doomed in by_app.items()}
        return self._deploy(version, tree, force=force, kill_first=kills)

    def roll_back(self, deployment: Deployment) -> Plan:
        """Undo a running deployment by another one, which takes its apps over."""
        version = self.clock.next()
        tree = reverted(deployment.plan, self.scheduler.state.apps(), version)
        return self._deploy(version, tree, force=True)

    def _deploy(
        self,
        version: str,
        target: Tree,
        *,
        force: bool,
        kill_first: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Plan:
        state = self.scheduler.state
        if details := rules.broken_between({app_id: each.app for app_id, each in target.items()}):
            raise InvalidObjectError(details)
        plan = make_plan(version, state.apps(), target, kill_first=kill_first)
        self.deployments.check(plan, force=force)
        with state.changed.together():
            state.store(dict(target))
            self.scheduler.events.publish("group_change_success", groupId="/", version=version)
            self.deployments.start(plan)
            state.changed.notify()
        return plan


def result_of(plan: Plan) -> Json:
    return {"version": plan.version, "deploymentId": plan.id}
