// Knows which attributes a new storage object has: those of LIO's block, fileio and ramdisk devices, with Linux' first values.

import type { LioObject } from "./dump.js";

/** The attributes that all of them have. */
const COMMON: LioObject = {
  alua_support: 1,
  block_size: 512,
  emulate_3pc: 1,
  emulate_caw: 1,
  emulate_dpo: 1,
  emulate_fua_read: 1,
  emulate_fua_write: 1,
  emulate_pr: 1,
  emulate_rest_reord: 0,
  emulate_rsoc: 1,
  emulate_tas: 1,
  emulate_tpu: 0,
  emulate_tpws: 0,
  emulate_ua_intlck_ctrl: 0,
  enforce_pr_isids: 1,
  force_pr_aptpl: 0,
  max_unmap_block_desc_count: 1,
  max_unmap_lba_count: 8192,
  max_write_same_len: 4096,
  optimal_sectors: 16384,
  pgr_support: 1,
  pi_prot_format: 0,
  pi_prot_type: 0,
  pi_prot_verify: 0,
  queue_depth: 128,
  unmap_granularity: 1,
  unmap_granularity_alignment: 0,
  unmap_zeroes_data: 0,
};

/** The attributes of a new one: `modelAlias` gives INQUIRY its name for the product. */
export function newAttributes(plugin: string, writeBack: boolean, modelAlias: boolean): LioObject {
  if (plugin === "pscsi") return {};
  return {
    ...COMMON,
    emulate_model_alias: modelAlias ? 1 : 0,
    emulate_write_cache: writeBack ? 1 : 0,
    is_nonrot: plugin === "ramdisk" ? 1 : 0,
  };
}
