export { type VolumeConfig, type VolumeRecord, type VolumeRestore, VolumeStore } from "./volume-store.ts";
