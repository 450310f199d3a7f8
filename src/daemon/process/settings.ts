/** bayd's current settings: read at the start, and again on SIGHUP or `bay daemon reload`. */
import type { ContainerManager } from "../../container/index.ts";
import {
  type DaemonSettings,
  readDaemonSettings,
  settingsFile,
  shownSettings,
} from "../../core/daemon-settings.ts";
import { setLayerBounds } from "../../image/index.ts";

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

/**
 * Reads daemon.json again and returns the changes. They apply to containers that start and images that arrive from now on.
 * Throws BAD_SETTINGS; the old settings remain then.
 */
export function reloadSettings(manager: ContainerManager): { file: string; changes: SettingChange[] } {
  const settings = readDaemonSettings();
  const [before, after] = [shownSettings(manager.settings), shownSettings(settings)];
  manager.settings = settings;
  applyBounds(settings);
  const changes = Object.keys(after).flatMap((key) =>
    before[key] === after[key] ? [] : [{ key, from: before[key]!, to: after[key]! }],
  );
  return { file: settingsFile(), changes };
}
