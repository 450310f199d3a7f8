export { type VolumeConfig, type VolumeRecord, VolumeStore } from "./volume-store.ts";
