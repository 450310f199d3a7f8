/** bayd's current settings: read at the start, and again on SIGHUP or `bay daemon reload`. */
import { hostname } from "node:os";
import type { ContainerManager } from "../../container/index.ts";
import {
  type DaemonSettings,
  readDaemonSettings,
  settingsFile,
  shownSettings,
} from "../../core/daemon-settings.ts";
import { setLayerBounds } from "../../image/index.ts";
import { type Listeners, readIdentities } from "./listeners.ts";

export interface SettingChange {
  key: string;
  from: string | number;
  to: string | number;
}

/** Sets the limits of images. Running workers keep the limits of their start. */
export function applyBounds(settings: DaemonSettings): void {
  setLayerBounds({
    layerBytes: settings.maxLayerSize,
    layerFiles: settings.maxLayerFiles,
    imageBytes: settings.maxImageSize,
    settings: settingsFile(),
  });
}

/** Writes to bayd's log which settings do not apply yet. */
export function warnOfSettings(manager: ContainerManager): void {
  for (const warning of manager.networks.settingsWarnings())
    manager.emit("warning", `${settingsFile()}: ${warning}`);
}

export interface Reloaded {
  file: string;
  changes: SettingChange[];
  /** What bayd could not listen on; it tries again. */
  problems: string[];
}

/**
 * Reads daemon.json and the certificates that it names again, and returns the changes. They apply to connections, to containers
 * that start and to images that arrive from now on. Throws BAD_SETTINGS, BAD_CERTIFICATE; the old settings remain then.
 */
export async function reloadSettings(manager: ContainerManager, listeners: Listeners): Promise<Reloaded> {
  const settings = readDaemonSettings();
  readIdentities(settings.listen);
  const [before, after] = [shownSettings(manager.settings), shownSettings(settings)];
  manager.settings = settings;
  applyBounds(settings);
  warnOfSettings(manager);
  manager.events.publish("daemon", "reload", manager.roots.tag, { name: hostname() });
  const changes = [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    before[key] === after[key] ? [] : [{ key, from: before[key] ?? "not set", to: after[key] ?? "not set" }],
  );
  return { file: settingsFile(), changes, problems: await listeners.apply(settings.listen) };
}
